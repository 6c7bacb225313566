"""What the commands on searching share: exported and trained networks that answer, the codes they search, and questions."""
