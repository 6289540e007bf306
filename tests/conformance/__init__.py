"""Does a running cluster speak PROTOCOL.md? One file per table, one scenario per row; scenario.py runs them."""
