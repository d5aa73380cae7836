"use strict";

// next is where to go then: a path of this server, or River UI.
function next() {
  const wanted = new URLSearchParams(location.search).get("next") ?? "";
  try {
    const url = new URL(wanted, location.origin);
    if (wanted.startsWith("/") && url.origin === location.origin) {
      return url.pathname + url.search + url.hash;
    }
  } catch {
    // not a path
  }
  return "/riverui/";
}

document.getElementById("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = document.getElementById("problem");
  const input = document.getElementById("token");
  problem.textContent = "";
  try {
    const response = await fetch("/v1/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token: input.value.trim() }),
    });
    if (response.ok) {
      location.replace(next());
      return;
    }
    problem.textContent = (await response.json()).detail;
  } catch {
    problem.textContent = "The server does not answer.";
  }
  input.select();
});
