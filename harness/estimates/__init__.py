"""What a training or an encoding would cost, estimated before anything is fetched."""
