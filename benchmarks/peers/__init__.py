"""What Mailgate is measured against and tested with: real servers and load as processes of their own, each with its owner."""
