// Log in, be told who you are, log out.
const root = new URL("..", import.meta.url);
const name = `session:${root.pathname}`;
const button = document.querySelector("#session");

async function ask(path, options = {}) {
  const token = sessionStorage.getItem(name);
  const headers = token ? { "x-portal-session": token } : {};
  return (await fetch(new URL(path, root), { ...options, headers })).json();
}

async function logIn() {
  const { authUrl } = await ask("api/auth/login", { method: "POST" });
  location.assign(new URL(`oauth/authorize${new URL(authUrl).search}`, root));
}

function logOut() {
  sessionStorage.removeItem(name);
  location.assign(root);
}

const told = sessionStorage.getItem(name) && (await ask("api/v1/auth/me"));
document.querySelector("#who").textContent = told ? `Logged in as ${told.username}` : "You are not logged in.";
button.textContent = told ? "Log out" : "Log in";
button.addEventListener("click", told ? logOut : logIn);
button.hidden = false;
