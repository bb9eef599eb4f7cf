"""Learning that can be undone: models trained from sealed releases, and made again without those who leave."""
