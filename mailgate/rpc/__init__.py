"""gRPC as both processes use it: channels, servers, errors, and the codecs of mails and jobs."""
