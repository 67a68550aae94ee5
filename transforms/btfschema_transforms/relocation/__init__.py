"""What distill, rebase and relocate share: the primitive, and why types have no match."""
