// Keeps the list fresh while somebody looks at it, shows times in the reader's zone, and empties the inbox.
"use strict";
const list = document.getElementById("list");
const local = (root) => {
  for (const time of root.querySelectorAll("time[data-ms]")) time.textContent = new Date(Number(time.dataset.ms)).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
};
local(document);
if (list && !location.search) {
  let shown = list.innerHTML;
  const look = async () => {
    if (document.hidden || String(getSelection())) return;
    try {
      const answer = await fetch("/list", { cache: "no-store" });
      const fresh = answer.ok ? await answer.text() : shown;
      if (fresh === shown) return;
      shown = fresh;
      list.innerHTML = fresh;
      local(list);
      document.getElementById("counts").textContent = list.querySelector("[data-counts]").dataset.counts;
    } catch { document.getElementById("counts").textContent = "The inbox does not answer."; }
  };
  setInterval(look, 1500);
  document.addEventListener("visibilitychange", look);
}
document.getElementById("clear")?.addEventListener("click", async () => {
  if (!confirm("Remove all mails from this inbox?")) return;
  await fetch("/api/mails", { method: "DELETE" });
  location.assign("/");
});
