"""What the page answers first of each claim, a sentence a question."""
