"""How much a process that renders may take."""

MEMORY = 1 << 30  # bytes of address space
CPU_S, WALL_S = 15, 40
LARGEST_ANSWER = 32 << 20  # bytes
