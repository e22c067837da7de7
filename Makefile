.PHONY: style quality test

PYTHON ?= .venv/bin/python
SOURCES = builders gsi_datasets gsi_metrics gsi_train tests benchmarks tools

style:
	$(PYTHON) -m ruff format $(SOURCES)
	$(PYTHON) -m ruff check --fix $(SOURCES)

quality:
	$(PYTHON) -m ruff format --check $(SOURCES)
	$(PYTHON) -m ruff check $(SOURCES)
	$(PYTHON) -m mypy

test:
	$(PYTHON) -m pytest -m "not slow"
