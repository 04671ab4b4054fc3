// textual.js reads this when everything is loaded. Only the browser knows whether it came here over
// TLS, and under which path a proxy serves the console.
const root = new URL(document.documentElement.dataset.root || ".", location.href).href;
document.getElementById("terminal").dataset.sessionWebsocketUrl =
  root.replace(/^http/, "ws") + "ws";

const readAddress = () => "/" + location.href.slice(root.length).replace(/#.*/, "");

// textual.js keeps its connection to itself. It makes only one, and tells by it how many columns and
// lines there are.
let session;
let cells = { width: 80, height: 24 };
window.WebSocket = class extends WebSocket {
  constructor(url) {
    super(`${url}&at=${encodeURIComponent(readAddress())}`);
    session = this;
    const asked = new URL(url).searchParams;
    cells = { width: +asked.get("width"), height: +asked.get("height") };
  }
  send(data) {
    if (typeof data === "string" && data.startsWith('["resize"')) cells = JSON.parse(data)[1];
    super.send(data);
  }
};

// What the console opens in this window is where it is now: the page gets the address, without
// being loaded again. At first, and after a way back, it says where the address led.
let isLinked = false;
const showAddress = (address) => {
  if (address !== readAddress()) {
    history[isLinked ? "pushState" : "replaceState"](null, "", root + address.slice(1));
  }
  isLinked = true;
};
window.addEventListener("popstate", () => {
  isLinked = false;
  session.send(JSON.stringify(["go", readAddress()]));
});

// textual.js would look for what it downloads at the root of the site.
const openWindow = window.open.bind(window);
window.open = (url, target, ...rest) =>
  target === "_self"
    ? showAddress(url)
    : openWindow(url.replace(location.origin + "/download/", root + "download/"), target, ...rest);

// A screen needs 80 columns of 24 lines, or, where these would be too small to read, as on a phone
// that is held upright, 60 of 38: there what else stands side by side stands one below the other.
// A letter is 0.6 of the font's size wide, some less, cut to whole dots of the screen; a line 1.32.
const terminal = document.getElementById("terminal");
const { clientWidth: width, clientHeight: height } = terminal;
const [columns, lines] = width / 80 / 0.6 < 12 ? [60, 38] : [80, 24];
const letter = Math.floor((width / columns) * devicePixelRatio) / devicePixelRatio;
const size = Math.min(16, (letter * 1.01) / 0.6, height / lines / 1.32);
terminal.dataset.fontSize = Math.max(6, size).toFixed(3);

// A finger that is drawn over the terminal turns the wheel where it began: that list follows the
// finger, two lines with each turn, as the console scrolls.
const LINES_A_TURN = 2;
let drawn = null;
terminal.addEventListener("touchstart", ({ touches: [{ clientX, clientY }, other] }) => {
  const { left, top, width: across, height: down } = terminal.getBoundingClientRect();
  const column = 1 + Math.floor(((clientX - left) / across) * cells.width);
  const line = 1 + Math.floor(((clientY - top) / down) * cells.height);
  const turn = (LINES_A_TURN * down) / cells.height;
  drawn = other ? null : { from: clientY, turn, place: `${column};${line}M` };
});
terminal.addEventListener(
  "touchmove",
  (event) => {
    if (drawn === null) return;
    // Neither the page nor anything in it moves.
    event.preventDefault();
    event.stopPropagation();
    const turns = Math.trunc((event.touches[0].clientY - drawn.from) / drawn.turn);
    if (turns === 0) return;
    drawn.from += turns * drawn.turn;
    const wheel = `\x1b[<${turns > 0 ? 64 : 65};${drawn.place}`;
    session.send(JSON.stringify(["stdin", wheel.repeat(Math.abs(turns))]));
  },
  { capture: true, passive: false },
);

// textual.js cannot change its font. Turned, a phone begins anew: its address says where.
const isTouched = matchMedia("(pointer: coarse)").matches;
if (isTouched) {
  matchMedia("(orientation: portrait)").addEventListener("change", () => location.reload());
}

// Keys go to the console at once, without a click on it first. Where there is none but on the
// screen, which it would cover, it comes when it is asked for.
let keyboard;
new MutationObserver((_, observer) => {
  keyboard = document.querySelector(".xterm-helper-textarea");
  if (keyboard !== null) {
    observer.disconnect();
    keyboard.inputMode = isTouched ? "none" : "text";
    keyboard.focus();
  }
}).observe(terminal, { childList: true, subtree: true });

const typing = document.getElementById("typing");
const ask = (isWanted) => {
  typing.ariaPressed = String(isWanted);
  keyboard.inputMode = isWanted || !isTouched ? "text" : "none";
  keyboard.blur();
  keyboard.focus();
};

// The focus stays with the terminal, and with it the keyboard on the screen.
const bar = document.getElementById("bar");
bar.addEventListener("pointerdown", (event) => event.preventDefault());
bar.addEventListener("click", ({ target }) => {
  const { act, keys } = target.dataset;
  if (act) session.send(JSON.stringify(["act", act]));
  if (keys) session.send(JSON.stringify(["stdin", keys]));
  if (target === typing) ask(typing.ariaPressed === "false");
});
