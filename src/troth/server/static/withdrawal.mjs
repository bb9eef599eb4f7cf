// Live progress of a withdrawal: each step arrives as rendered markup of this very server.
const list = document.querySelector("[data-events]");
if (list && "EventSource" in window) {
  const seen = new Set([...list.querySelectorAll("li[data-step]")].map((item) => item.dataset.step));
  const source = new EventSource(list.dataset.events);
  source.addEventListener("step", (event) => {
    const page = new DOMParser().parseFromString(JSON.parse(event.data).html, "text/html");
    for (const item of page.querySelectorAll("li[data-step]")) {
      if (!seen.has(item.dataset.step)) {
        seen.add(item.dataset.step);
        list.insertBefore(item, list.querySelector("li.later"));
      }
    }
  });
  source.addEventListener("done", () => {
    source.close();
    list.querySelector("li.later")?.remove();
    document.querySelector("#finished")?.classList.remove("hidden");
  });
}
