"""What encoders are made of: networks, batches of texts, and the distribution that synthetic vectors are drawn from."""
