// The login ends here: the token comes in the fragment, which no server and no log sees.

import { keep, root, takeReturn } from "./session.js";

const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) {
  keep(token);
  // `replace`, so that the token is in no history either.
  location.replace(new URL(takeReturn() || "#/", root));
} else {
  document.querySelector("h1").textContent = "Not logged in";
  document.querySelector("#told").textContent =
    "The login brought no session back. Go to the portal’s start and log in again.";
}
