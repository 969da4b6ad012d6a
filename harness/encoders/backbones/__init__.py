"""The networks that encoders are made of, and how texts are batched for them."""
