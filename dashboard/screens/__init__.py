"""The four screens and the dialogs in front of them."""
