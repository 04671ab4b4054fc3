// textual.js reads the address when everything is loaded. Only the browser knows whether it came
// here over TLS.
document.getElementById("terminal").dataset.sessionWebsocketUrl =
  location.origin.replace(/^http/, "ws") + "/ws";

// Keys go to the console at once, without a click on it first.
new MutationObserver((_, observer) => {
  const keyboard = document.querySelector(".xterm-helper-textarea");
  if (keyboard !== null) {
    observer.disconnect();
    keyboard.focus();
  }
}).observe(document.getElementById("terminal"), { childList: true, subtree: true });
