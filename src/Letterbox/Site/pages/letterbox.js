// What the pages also work without: how many characters a field has left, and a button back to a text that was
// too long to be sent.

for (const field of document.querySelectorAll("[data-max]")) {
  const max = Number(field.dataset.max);
  const left = document.getElementById(`${field.id}-left`);
  const problem = document.getElementById(`${field.id}-problem`);
  const show = () => {
    // As the server counts: code points, and a line break, which is one here, is one.
    const rest = max - [...field.value].length;
    const count = `${Math.abs(rest).toLocaleString("en")} ${Math.abs(rest) === 1 ? "character" : "characters"}`;
    left.textContent = rest < 0 ? `${count} too long` : rest <= max / 10 ? `${count} left` : "";
    left.classList.toggle("over", rest < 0);
  };
  field.addEventListener("input", show);
  // After "back" the browser restores what was typed; after an error the server has counted already.
  addEventListener("pageshow", () => problem.textContent || show());
}

if (document.querySelector(".status")?.textContent === "413" && history.length > 1) {
  const back = document.createElement("button");
  back.type = "button";
  back.textContent = "Back to your text";
  back.addEventListener("click", () => history.back());
  document.querySelector(".next").before(back);
}
