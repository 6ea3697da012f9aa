"""Write the list of all errors anew."""

from maas_lab.messages.page import FILE, page

FILE.write_text(page(), encoding="utf-8")
print(f"wrote {FILE.name}")
