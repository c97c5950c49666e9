"""`minigpt play`: one page that shows a text as it is drawn, token by token, and what else could have come."""
