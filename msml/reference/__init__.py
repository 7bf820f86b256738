"""What each key of a training recipe means: its type, its default and its text in the schema."""
