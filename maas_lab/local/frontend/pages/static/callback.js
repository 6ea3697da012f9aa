// The login ends here: the token comes in the fragment, which no server and no log sees.
const root = new URL("..", import.meta.url);
const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) sessionStorage.setItem(`session:${root.pathname}`, token);
location.replace(root);
