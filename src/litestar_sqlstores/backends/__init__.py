"""The backends: one driver each, how it runs the statements of its dialect and what its errors mean."""
