// textual.js reads this when everything is loaded. Only the browser knows whether it came here over
// TLS, and under which path a proxy serves the console.
const root = new URL(document.documentElement.dataset.root || ".", location.href).href;
document.getElementById("terminal").dataset.sessionWebsocketUrl =
  root.replace(/^http/, "ws") + "ws";

const readAddress = () => "/" + location.href.slice(root.length).replace(/#.*/, "");

// textual.js keeps its connection to itself. It makes only one.
let session;
window.WebSocket = class extends WebSocket {
  constructor(url) {
    super(`${url}&at=${encodeURIComponent(readAddress())}`);
    session = this;
  }
};

// What the console opens in this window is where it is now: the page gets the address, without
// being loaded again. At first it says where the address led.
let isLinked = false;
const showAddress = (address) => {
  if (address !== readAddress()) {
    history[isLinked ? "pushState" : "replaceState"](null, "", root + address.slice(1));
  }
  isLinked = true;
};
window.addEventListener("popstate", () => {
  session.send(JSON.stringify(["go", readAddress()]));
});

// textual.js would look for what it downloads at the root of the site.
const openWindow = window.open.bind(window);
window.open = (url, target, ...rest) =>
  target === "_self"
    ? showAddress(url)
    : openWindow(url.replace(location.origin + "/download/", root + "download/"), target, ...rest);

// Keys go to the console at once, without a click on it first.
new MutationObserver((_, observer) => {
  const keyboard = document.querySelector(".xterm-helper-textarea");
  if (keyboard !== null) {
    observer.disconnect();
    keyboard.focus();
  }
}).observe(document.getElementById("terminal"), { childList: true, subtree: true });
