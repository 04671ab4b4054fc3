// textual.js reads the address when everything is loaded. Only the browser knows whether it came
// here over TLS.
document.getElementById("terminal").dataset.sessionWebsocketUrl =
  location.origin.replace(/^http/, "ws") + "/ws";
