# Needs GNU make (3.81 or newer) and Python 3.11 or newer. Everything else is fetched into $(VENV), from the hashed
# requirements, the first time a target needs it and again when they change.
#
#   PYTHON=/path/to/python3      which Python to build the environment with
#   CHROMIUM=/path/to/chromium   which browser `make look` drives
#   ARGS="…"                     more words for `app.py demo`, `run` (and `check`, by hand), for `bench` and for `drill`
#   PYTEST_ARGS="-x -k friday"   more words for pytest in `test` and `look`
#   WORKERS=                     one test after the other, in one process
#   LIVES=5000 STEPS=100         how long `make machine` goes on, on each database
#   LOCK_ARGS="--upgrade"        more words for uv in `lock`

VENV = .venv
PY = $(VENV)/bin/python
PRODUCT = $(VENV)/requirements.installed
TOOLS = $(VENV)/requirements-dev.installed
BENCH = $(VENV)/requirements-bench.installed
UV = uv==0.13.9
WORKERS = -n auto --maxprocesses 4 --dist worksteal
LIVES = 100
STEPS = 100

.DEFAULT_GOAL = help
.NOTPARALLEL:
.PHONY: help demo run doctor product test guard machine slow drill look bench check format lock migrate clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s  %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(PRODUCT) ## Try Echelon in a local web chat: no account, a clock you can move; prints the address
	@PYTHONUNBUFFERED=1 $(PY) app.py demo $(ARGS)

run: $(PRODUCT) ## Run the bot for real, with the settings of the environment (ECHELON_…)
	@PYTHONUNBUFFERED=1 $(PY) app.py run $(ARGS)

doctor: $(PRODUCT) ## Say everything that is wrong with settings and files; ARGS=--live asks Slack, too
	@$(PY) app.py check $(ARGS)

product: ## Does it start with nothing but its own requirements? Tried in an environment that is thrown away
	@place=`mktemp -d`; trap 'rm -rf "$$place"' EXIT; trap 'exit 130' INT TERM; \
	$(MAKE) --no-print-directory doctor VENV="$$place/venv" ARGS=--help

test: $(TOOLS) ## Run the tests, all but those that need a browser
	@$(PY) -m pytest $(WORKERS) $(PYTEST_ARGS)

guard: $(TOOLS) ## Run the stories with APScheduler switched off: the guard alone keeps every promise
	@$(PY) -m pytest $(WORKERS) --bells none --ignore tests/process/test_failpoints.py $(PYTEST_ARGS) tests/acceptance tests/scheduler tests/process

machine: $(TOOLS) ## Let 100 random lives of 100 steps run against the promises on each database; LIVES=5000 for a night
	@$(PY) -m pytest -n 2 --dist worksteal --lives $(LIVES) --steps $(STEPS) $(PYTEST_ARGS) tests/acceptance/test_machine.py

slow: $(TOOLS) ## Run the tests that wait for real leases and windows to end; some minutes
	@$(PY) -m pytest -m slow $(PYTEST_ARGS)

look: $(TOOLS) ## Drive the demo in a real browser; the screenshots land in look/
	@$(find_chromium); \
	mkdir -p look && CHROMIUM="$$chromium" $(PY) -m pytest -m look $(PYTEST_ARGS) tests/look

bench: $(BENCH) ## Measure the engine beside others, and the limit; writes docs/benchmarks.md (ARGS="--quick": does it run?)
	@PYTHONUNBUFFERED=1 $(PY) -m benchmarks $(ARGS)

drill: $(TOOLS) ## Kill, freeze, fill, corrupt and cut everything; the report says what was lost (ARGS="--quick", "--kills 200")
	@$(PY) -m drill $(ARGS)

check: $(TOOLS) ## Lint, formatting, types, import contracts, requirements: all of them, then the verdict
	@failed=; \
	try() { title=$$1; shift; printf '\n--- %s\n' "$$title"; "$$@" || failed="$$failed, $$title"; }; \
	try 'ruff check' $(PY) -m ruff check .; \
	try 'ruff format' $(PY) -m ruff format --check .; \
	try 'basedpyright' $(PY) -m basedpyright --pythonpath $(PY); \
	try 'import contracts' $(PY) $(VENV)/bin/lint-imports --no-logo; \
	try 'requirements' $(PY) -m pytest -qq -k requirements tests/test_architecture.py; \
	printf '\n'; \
	if [ -n "$$failed" ]; then echo "make check: findings in $${failed#, }" >&2; exit 1; fi; \
	echo 'make check: nothing found'

format: $(TOOLS) ## Put the code into the house format
	@$(PY) -m ruff check --fix-only --exit-zero .
	@$(PY) -m ruff format .

migrate: $(PRODUCT) ## Bring the database of the settings up to date by hand; demo and run do it by themselves
	@$(PY) -c "$$MIGRATE"

lock: ## Pin and hash what pyproject.toml asks for; keeps today's versions unless LOCK_ARGS=--upgrade
	@$(find_python); \
	place=`mktemp -d`; trap 'rm -rf "$$place"' EXIT; trap 'exit 130' INT TERM; \
	"$$python" -m venv "$$place" && "$$place/bin/python" -m pip install --quiet --disable-pip-version-check $(UV) || exit; \
	compile() { UV_CUSTOM_COMPILE_COMMAND='make lock' "$$place/bin/uv" pip compile --quiet --universal \
	  --python "$$place/bin/python" --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  pyproject.toml $(LOCK_ARGS) "$$@"; }; \
	compile --output-file requirements.txt && \
	compile --extra otel --constraint requirements.txt --output-file requirements-otel.txt && \
	compile --extra dev --constraint requirements.txt --output-file requirements-dev.txt && \
	compile --extra dev --extra bench --constraint requirements-dev.txt --output-file requirements-bench.txt && \
	echo 'requirements.txt, -otel, -dev and -bench hold what pyproject.toml asks for'

clean: ## Remove the environment, the caches and the screenshots; databases stay
	rm -rf $(VENV) look .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. A stamp tells which requirements it was built from; an interpreter that is gone or that was replaced
# makes every stamp old. What the developers' file pins holds the product's as well, hence the second stamp.
$(PRODUCT) $(TOOLS) $(BENCH): $(VENV)/%.installed: %.txt $(PY)
	@if ! $(PY) -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  $(find_python); \
	  echo "Making $(VENV) with $$python" && "$$python" -m venv --clear $(VENV) || exit; \
	fi; \
	echo 'Installing $< into $(VENV); the first time takes about a minute' && \
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $< && \
	touch $(if $(findstring -bench,$@),$(PRODUCT) $(TOOLS)) $(if $(findstring -dev,$@),$(PRODUCT)) $@

$(PY): ;

# Sets `python` to an interpreter that is new enough and can make environments, or ends with a sentence.
define find_python
python=; bare=; \
for candidate in $(if $(PYTHON),"$(PYTHON)",python3 python3.14 python3.13 python3.12 python3.11); do \
  version=`"$$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2] if sys.version_info >= (3, 11) else "")' 2>/dev/null`; \
  if [ -z "$$version" ]; then continue; fi; \
  if "$$candidate" -c 'import ensurepip, venv' 2>/dev/null; then python=$$candidate; break; fi; \
  bare=$${bare:-$$version}; \
done; \
if [ -z "$$python" ] && [ -n "$$bare" ]; then \
  echo "Python $$bare is here, but it cannot make environments; on Debian or Ubuntu: sudo apt-get install python$$bare-venv" >&2; exit 1; \
elif [ -z "$$python" ]; then \
  echo "$(if $(PYTHON),PYTHON=$(PYTHON) is not a Python 3.11 or newer.,Echelon needs Python 3.11 or newer and found none; install one or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3)" >&2; exit 1; \
fi
endef

# Sets `chromium` to a browser, or ends with a sentence.
define find_chromium
chromium=; \
for candidate in $(if $(CHROMIUM),"$(CHROMIUM)",chromium chromium-browser google-chrome google-chrome-stable "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" /Applications/Chromium.app/Contents/MacOS/Chromium); do \
  if chromium=`command -v "$$candidate"`; then break; fi; \
done; \
if [ -z "$$chromium" ]; then \
  echo "$(if $(CHROMIUM),CHROMIUM=$(CHROMIUM) is not a program.,make look needs Chromium or Chrome and found none; install one (on Debian: sudo apt-get install chromium) or name one: make look CHROMIUM=/path/to/chromium)" >&2; exit 1; \
fi
endef

define MIGRATE
import asyncio, sys
from adapters.console.settings import read_settings
from bot.errors import ConfigurationError
from storage.engine import create_engine
from storage.migrate import migrate
from storage.single import only_process

async def upgrade(url):
    engine = create_engine(url)
    try:
        await migrate(engine)
    finally:
        await engine.dispose()

try:
    url = read_settings().database_url.get_secret_value()
    with only_process(url):
        asyncio.run(upgrade(url))
except ConfigurationError as error:
    sys.exit(chr(10).join(map(str, error.problems)))
print('The database is up to date')
endef
export MIGRATE
