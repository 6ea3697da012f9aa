"""Role-based access control: what rules allow, who has them, and that nobody gives more than they have."""
