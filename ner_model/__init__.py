"""What learns: tokenizer and encoder, batches, the trainer."""
