"""The SDK: how a program in Python talks to a gateway."""
