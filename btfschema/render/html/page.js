'use strict';
document.documentElement.classList.add('js');
const find = (selector, root) => [...(root || document).querySelectorAll(selector)];

// Fields that narrow a list, boxes that leave only some rows, and lists of what to leave.
const narrow = id => {
  const controls = find(`[data-narrows="${id}"]`);
  const texts = controls.filter(one => one.type === 'search').map(one => one.value.toLowerCase());
  const kinds = controls.filter(one => one.checked).map(one => one.dataset.only);
  const chosen = controls.filter(one => one.dataset.by && one.value);
  for (const item of find(`#${id} [data-name]`))
    item.hidden = !texts.every(text => item.dataset.name.includes(text))
      || !kinds.every(kind => item.dataset[kind])
      || !chosen.every(one => item.dataset[one.dataset.by] === one.value);
};
for (const control of find('[data-narrows]')) {
  control.addEventListener('input', () => narrow(control.dataset.narrows));
  narrow(control.dataset.narrows);
}

// Heads that sort: each becomes a button, so that the keyboard reaches it.
const sort = (table, head) => {
  const ascending = head.getAttribute('aria-sort') !== 'ascending';
  for (const other of find('thead th', table)) other.removeAttribute('aria-sort');
  head.setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
  const key = row => row.cells[head.cellIndex].dataset.key || '';
  const compared = (a, b) => key(a).localeCompare(key(b), undefined, {numeric: true});
  const rows = find('tbody tr', table).sort((a, b) => compared(a, b) * (ascending ? 1 : -1));
  table.tBodies[0].append(...rows);
};
for (const table of find('table.sortable'))
  for (const head of find('thead th', table)) {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    button.addEventListener('click', () => sort(table, head));
    head.append(button);
  }

// A link into something folded or narrowed away shows it.
const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let one = target; one; one = one.parentElement) {
    if (one.tagName === 'DETAILS') one.open = true;
    one.hidden = false;
  }
  target.scrollIntoView();
};
addEventListener('hashchange', reveal);
reveal();
