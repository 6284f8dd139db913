"""What the figures of both READMEs are printed by: README.md here lists the commands."""
