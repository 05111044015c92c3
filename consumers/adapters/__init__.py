"""How gateways and confirmations reach the topics; one file a technology."""
