// Published results: the chosen table comes from the server as markup and lines; the address keeps the choice, so that a table
// can be sent to somebody. The CSV is made here.
const $ = (s) => element.querySelector(s), $$ = (s) => [...element.querySelectorAll(s)];
const category = $('#cp-category'), slot = $('.cp-board'), said = $('[role=status]'), download = $('[data-act=csv]');
let asked = 0, table = null;

const chosen = () => ({ category: category.value, board: $('[name=cp-board]:checked').value });
function start() {                                     // what the address says, where it says something known
  const at = new URLSearchParams(location.search), board = $$('[name=cp-board]').find((r) => r.value === at.get('board'));
  if ([...category.options].some((o) => o.value === at.get('category'))) category.value = at.get('category');
  (board || $('[name=cp-board]')).checked = true;
}
async function show() {
  const mine = ++asked, query = chosen(); download.disabled = true;
  const got = await server.table(query).catch(() => null);
  if (mine !== asked) return;                          // another table has been asked for meanwhile
  table = got?.html ? got : null; download.disabled = !(table?.lines.length > 1);
  if (table) { slot.innerHTML = table.html; said.textContent = table.title; return; }
  const words = document.createElement('p'), again = document.createElement('button');
  words.textContent = got?.error || 'The table did not arrive. '; Object.assign(again, { type: 'button', className: 'cp-link', textContent: 'Try again', onclick: show });
  words.append(' ', again); slot.replaceChildren(words); said.textContent = words.textContent;
}
function field(text) {                                 // an apostrophe before what a spreadsheet would run; a lone dash is none
  const safe = /^[=+@\t\r]|^-./.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}
function save() {
  const text = table.lines.map((line) => line.map(field).join(',')).join('\r\n') + '\r\n';
  const link = document.createElement('a'); link.href = URL.createObjectURL(new Blob([text], { type: 'text/csv;charset=utf-8' })); link.download = table.file;
  link.click(); setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
element.addEventListener('change', () => {
  const at = new URL(location.href); for (const [k, v] of Object.entries(chosen())) at.searchParams.set(k, v);
  history.replaceState(history.state, '', at); show();
});
element.addEventListener('click', (e) => {
  if (e.target.closest('[data-act=csv]') && table) save();
  const mark = e.target.closest('a.cp-mark'), note = mark && slot.querySelector(mark.getAttribute('href'));
  if (note) { e.preventDefault(); note.tabIndex = -1; note.focus(); note.scrollIntoView({ block: 'center' }); }   // the address keeps the choice
});
start(); show();
