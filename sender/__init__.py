"""The warm hands: a node that keeps SMTP connections open and hands mail over them."""
