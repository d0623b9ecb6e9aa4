"""Text or a path → Matrix, or a ConfigurationError with every problem of the file, in line order."""

from pathlib import Path

from bot.errors import ConfigurationError, Problem
from matrix.checks import problems
from matrix.model import MATRIX, Matrix
from matrix.position import LARGEST, Document, read_yaml
from matrix.shape import checked


def load_matrix(text: str, name: str) -> Matrix:
    """The matrix in `text`; `name` is what problems call the file. Raises ConfigurationError with all problems."""
    return checked(read_yaml(text, name), MATRIX, problems)


def read_matrix(path: Path) -> Matrix:
    """The matrix in a file. Raises ConfigurationError, also for a file that cannot be read."""
    return load_matrix(read_text(path), path.name)


def open_matrix(path: Path) -> tuple[Matrix, Document]:
    """The matrix in a file, and where its parts are. Raises ConfigurationError."""
    document = read_yaml(read_text(path), path.name)
    return checked(document, MATRIX, problems), document


def read_text(path: Path) -> str:
    """What a file says. Raises ConfigurationError when it is missing, unreadable, too large or not UTF-8."""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1).decode("utf-8")
    except FileNotFoundError:
        raise ConfigurationError((Problem(str(path), "there is no such file"),)) from None
    except OSError as error:
        said = error.strerror or "no reason given"
        raise ConfigurationError((Problem(str(path), f"the file cannot be read ({said.lower()})"),)) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        sentence = "the file is not UTF-8 from here on; save it as UTF-8"
        raise ConfigurationError((Problem(f"{path.name}:{line}", sentence),)) from None
    except ValueError:
        raise ConfigurationError((Problem(str(path), "this is no path of a file"),)) from None
