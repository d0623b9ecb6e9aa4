"""A SQLite file becomes a PostgreSQL database: everything, or nothing; and the work goes on there."""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import run

import pytest
from sqlalchemy import text

from bot.directory import Address, PersonId
from bot.effects import Effect, Errand
from bot.errors import ConfigurationError
from bot.message import Profile
from storage.database import Database
from storage.move import move
from storage.single import only_process
from tests.acceptance.world import World, built_world, said, who
from tests.builders import WORKSPACE, an_escalation, opening
from tests.fakes import NINE, CountingIds

ROOT = Path(__file__).parents[2]
MANY = 2500
REP = Address("chat:rep")


@pytest.fixture
async def old(tmp_path: Path) -> AsyncIterator[Database]:
    """A file with some thousand escalations of somebody's, and a world that was stopped in the middle of its work."""
    database = Database.open(url_of(tmp_path), CountingIds("old"))
    await database.migrate()
    yield database
    await database.close()


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder}/echelon.db"


async def lived_in(old: Database) -> World:
    world = await built_world(old, ids=CountingIds("world"))
    await world.says("opener", "checkout fails")
    await world.says("opener", "mail is down")
    await world.presses("rep", "Acknowledge")
    await old.people(WORKSPACE).remember(Profile(PersonId(who("rep")), "Rea", "fr"))
    await old.conversations(WORKSPACE).put(REP, {"conversation": "a:1"})
    await world.engine.reception.typed(world.actor("opener"), "the lift is stuck", request="late")
    await old.outbox().lease(world.clock.now(), limit=1, busy=frozenset())
    return world


async def many(database: Database, count: int) -> None:
    """Escalations of another workspace, each with a history and a message on its way."""
    for first in range(0, count, 100):
        async with database.units() as unit:
            for number in range(first + 1, first + 101):
                effects = (Effect(Errand.PING, 1, Address(f"local:p{number}")),)
                await unit.add(
                    opening(an_escalation(number, id=f"many{number}", workspace="others"), *effects), at=NINE
                )
            await unit.commit()


async def counted(database: Database) -> dict[str, int]:
    tables = ("escalations", "ledger", "outbox", "people", "conversations", "messages", "requests", "plans", "involved")
    async with database.reading() as reading:
        return {name: (await reading.run(text(f"SELECT count(*) FROM {name}"))).scalar_one() for name in tables}  # noqa: S608


async def test_everything_is_there_and_the_work_goes_on(old: Database, postgres, tmp_path: Path) -> None:
    world = await lived_in(old)
    await many(old, MANY)
    before, target = await counted(old), postgres.empty()
    assert before["escalations"] == MANY + 3

    done = await move(url_of(tmp_path), target, ids=CountingIds("moved"), now=world.clock.now())

    new = Database.open(target, CountingIds("new"))
    assert await counted(new) == before
    assert {name: done.rows[name] for name in before} == before
    assert (done.whole, done.broken) == (MANY + 3, ())
    after = await built_world(new, clock=world.clock, chat=world.chat, ids=CountingIds("after"))
    waiting = [shown for shown in world.chat.at("rep") if "the lift is stuck" in said(shown.message)]
    assert waiting == []
    await after.ticks()
    assert any("the lift is stuck" in said(shown.message) for shown in after.chat.at("rep")), "it waited, and is sent"
    await after.forward(minutes=16)
    assert (await after.escalation(1)).entry.level == 2
    assert "ESC-4" in said(await after.says("opener", "the printer is stuck", request="new"))
    for number in range(1, 5):
        assert await new.archive().broken_at(WORKSPACE, (await after.escalation(number)).id) is None
    people = new.people(WORKSPACE)
    await people.load()
    assert people.profile(PersonId(who("rep"))) == Profile(PersonId(who("rep")), "Rea", "fr")
    await new.close()


async def test_a_target_that_holds_anything_is_refused_and_stays_as_it_was(old: Database, postgres, tmp_path) -> None:
    await lived_in(old)
    target = await postgres.migrated()
    new = Database.open(target, CountingIds("new"))
    await new.people(WORKSPACE).remember(Profile(PersonId(REP), "Ada", "en"))
    before = await counted(new)

    with pytest.raises(ConfigurationError, match=r"--to: it is not empty \(people has rows\)"):
        await move(url_of(tmp_path), target, ids=CountingIds("moved"), now=NINE)

    assert await counted(new) == before
    await new.close()


async def test_while_a_bot_runs_on_the_file_nothing_is_moved(old: Database, postgres, tmp_path) -> None:
    with (
        only_process(url_of(tmp_path)),
        pytest.raises(ConfigurationError, match=r"--from: another Echelon is using .*echelon\.db"),
    ):
        await move(url_of(tmp_path), postgres.empty(), ids=CountingIds(), now=NINE)


async def test_a_history_that_was_changed_before_is_named_and_copied_as_it_is(old, postgres, tmp_path) -> None:
    world = await lived_in(old)
    async with old.writing() as writing:
        await writing.run(text("DROP TRIGGER ledger_keeps_chain"))
        changed = "UPDATE ledger SET kind = 'noted' WHERE seq = 1 AND escalation = :id"
        await writing.run(text(changed), {"id": (await world.escalation(2)).id})
        await writing.commit()

    done = await move(url_of(tmp_path), postgres.empty(), ids=CountingIds("moved"), now=NINE)

    assert (done.whole, done.broken) == (2, (2,))


async def test_what_arrives_differently_is_not_kept(old: Database, postgres, tmp_path) -> None:
    await lived_in(old)
    target = await postgres.migrated()
    new = Database.open(target, CountingIds("new"))
    async with new.writing() as writing:
        await writing.run(
            text(
                "CREATE FUNCTION shorten() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN NEW.name := 'x'; RETURN NEW; END $$"
            )
        )
        await writing.run(
            text("CREATE TRIGGER shortens BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION shorten()")
        )
        await writing.commit()

    with pytest.raises(ConfigurationError, match="people does not hold what it should"):
        await move(url_of(tmp_path), target, ids=CountingIds("moved"), now=NINE)

    assert set((await counted(new)).values()) == {0}
    await new.close()


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        ("postgresql://u:hunter2@h/d", "postgresql://u:hunter2@h/d", "--from: it has to be a SQLite database"),
        ("sqlite:///nowhere.db", "postgresql://u:hunter2@h/d", "--from: there is no database 'nowhere.db'"),
        ("hunter2", "postgresql://u:hunter2@h/d", "--from: this is no database URL"),
        ("{file}", "sqlite:///other.db", "--to: it has to be a PostgreSQL database"),
        ("{file}", "mysql://u:hunter2@h/d", "--to: 'mysql' is not supported"),
        ("{file}", "postgresql://u:hunter2@127.0.0.1:1/d", "--to: the database does not answer"),
    ],
)
async def test_what_cannot_be_moved_is_one_sentence_without_a_password(
    old: Database, tmp_path: Path, source: str, target: str, sentence: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await move(source.format(file=url_of(tmp_path)), target, ids=CountingIds(), now=NINE)

    (problem,) = caught.value.problems
    assert str(problem).startswith(sentence)
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__!r}"


async def test_the_command_moves_and_says_what_to_do_next(old: Database, postgres, tmp_path: Path) -> None:
    await lived_in(old)
    target = postgres.empty()

    def asked(*words: str):
        return run(
            [sys.executable, str(ROOT / "app.py"), "move", "--from", url_of(tmp_path), *words],
            env={"HOME": str(tmp_path), "ECHELON_DATABASE_URL": target, "PATH": os.environ["PATH"]},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    first, again = asked(), asked("--to", target)

    assert first.returncode == 0, first.stderr
    assert "Copied and compared: 3 escalations" in first.stdout
    assert "set ECHELON_DATABASE_URL to the new database and start Echelon" in first.stdout
    assert again.returncode == 2
    assert "--to: it is not empty" in again.stderr
    assert "Traceback" not in first.stderr + again.stderr
    assert target not in first.stdout + first.stderr + again.stdout + again.stderr
