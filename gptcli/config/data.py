"""How a text is divided, where the user does not say."""

VAL_FRACTION = 0.1  # the lecture's
