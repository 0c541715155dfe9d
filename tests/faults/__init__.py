"""What becomes of a store when the network, the server or what stands between them fails."""
