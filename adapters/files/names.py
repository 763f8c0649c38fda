"""What the command line calls the kinds of files that are imported, and the types of columns."""

KINDS = ("events", "customers", "suppressions")
EXAMPLES = "text, number, number 1.234,56, yes/no, instant DD/MM/YYYY, birthday MM/DD, list, json"
