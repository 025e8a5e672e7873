"""The documents. What is made from the code is put together here, where every room may be asked."""
