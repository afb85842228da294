"""Drop-ins with the signatures of other libraries: moving over takes another import line."""
