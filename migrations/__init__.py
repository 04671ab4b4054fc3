"""The schema, as Piccolo runs it: beside each script of SQL a module that has it run."""
