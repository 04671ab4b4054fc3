// textual.js reads the address when everything is loaded. Only the browser knows whether it came
// here over TLS, and under which path a proxy serves this page.
const here = new URL(".", location.href).href;
document.getElementById("terminal").dataset.sessionWebsocketUrl =
  here.replace(/^http/, "ws") + "ws";

// textual.js would look for what it downloads at the root of the site.
const openWindow = window.open.bind(window);
window.open = (url, ...rest) =>
  openWindow(String(url).replace(location.origin + "/download/", here + "download/"), ...rest);

// Keys go to the console at once, without a click on it first.
new MutationObserver((_, observer) => {
  const keyboard = document.querySelector(".xterm-helper-textarea");
  if (keyboard !== null) {
    observer.disconnect();
    keyboard.focus();
  }
}).observe(document.getElementById("terminal"), { childList: true, subtree: true });
