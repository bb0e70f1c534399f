// Picker: value {task, case, category, n, total, title, previous, next}. Opening and browsing cost no queue event.
const $ = (s) => element.querySelector(s), $$ = (s) => [...element.querySelectorAll(s)];
const drawer = $('#cp-drawer'), crumb = $('.cp-crumb'), list = $('.cp-cases'), find = $('.cp-find');
let shown = null, loading = 0, timer = 0;            // shown: the task whose cases are listed

function open(yes, focus) {
  drawer.hidden = !yes; crumb.setAttribute('aria-expanded', yes); $('.cp-change').textContent = yes ? 'Close' : 'Change';
  if (yes) { const v = props.value || {}; category(v.category); if (v.task) task(v.task); }
  if (focus) crumb.focus();
}
function show() {
  const v = props.value || {}, t = v.task && $$('[name=cp-task]').find((r) => r.value === v.task);
  $('.cp-chosen').textContent = t ? `${t.dataset.title} / case ${v.n} of ${v.total}: ${v.title}` : 'Choose a task and a case';
  $('[data-cp=prev]').disabled = !v.previous; $('[data-cp=next]').disabled = !v.next;
  if (!drawer.hidden) for (const r of $$('[name=cp-case]')) r.checked = r.value === v.case && shown === v.task;
}
function category(name) {
  for (const r of $$('[name=cp-category]')) r.checked = r.value === name;
  const labels = $$('.cp-tasklist label');
  for (const l of labels) l.hidden = l.dataset.category !== name;
  const mine = labels.filter((l) => !l.hidden);
  $('.cp-tasks').hidden = mine.length < 2;
  return mine;
}
async function task(id) {
  for (const r of $$('[name=cp-task]')) {
    r.checked = r.value === id;
    if (r.checked) { const box = $('.cp-caveat'), b = document.createElement('b'); b.textContent = 'Before you compare: '; box.replaceChildren(b, r.dataset.caveat); box.hidden = !r.dataset.caveat; }
  }
  if (shown === id) return show();
  shown = id; find.querySelector('input').value = ''; list.replaceChildren(); await page(0);
}
async function page(start) {
  const mine = ++loading, of = shown, words = find.querySelector('input').value;
  const got = await server.cases({ task: of, find: words, start }).catch(() => null);
  if (mine !== loading || of !== shown) return;        // a later question has been asked meanwhile
  const status = $('.cp-more [role=status]');
  if (!got?.cases) { $('.cp-more').hidden = false; status.textContent = 'The list did not arrive. Choose the task again.'; shown = null; return; }
  if (!start) list.replaceChildren();
  for (const c of got.cases) list.append(line(c));
  const have = start + got.cases.length;
  if (!words) find.hidden = got.total <= 12;
  $('.cp-more').hidden = have >= got.total && got.total > 0; $('[data-cp=more]').hidden = have >= got.total;
  status.textContent = got.total ? `${have} of ${got.total} shown` : words ? 'No case holds these words.' : 'This task has no cases yet.';
  show();
}
function line(c) {
  const label = document.createElement('label'), input = document.createElement('input'), span = document.createElement('span');
  const number = document.createElement('i'), title = document.createElement('b');
  Object.assign(input, { type: 'radio', name: 'cp-case', value: c.id }); number.textContent = c.n; title.textContent = c.title;
  span.append(number, title);
  if (c.difficulty === 'hard' || c.difficulty === 'trap') { const tag = document.createElement('small'); tag.textContent = 'hard'; span.append(tag); }
  label.append(input, span); return label;
}
async function choose(taskId, id) {
  const got = await server.place({ task: taskId, case: id }).catch(() => null);
  if (!got?.case) return;
  props.value = got; show(); trigger('input');
}
const step = (to) => { const v = props.value || {}; if (v[to]) choose(v.task, v[to]); };

element.addEventListener('change', (e) => {
  if (e.target.name === 'cp-category') { const mine = category(e.target.value); if (mine.length) task(mine[0].querySelector('input').value); }
  if (e.target.name === 'cp-task') task(e.target.value);
  if (e.target.name === 'cp-case') choose(shown, e.target.value);
});
element.addEventListener('input', (e) => {
  if (e.target.type === 'search') { clearTimeout(timer); timer = setTimeout(() => page(0), 250); }
});
element.addEventListener('click', (e) => {
  const act = e.target.closest('[data-cp]')?.dataset.cp;
  if (act === 'open') open(drawer.hidden);
  if (act === 'prev') step('previous');
  if (act === 'next') step('next');
  if (act === 'more') page(list.children.length);
  if (e.target.closest('.cp-cases label') && e.detail) setTimeout(() => open(false), 150);   // pointer only: arrows may browse on
});
element.addEventListener('keydown', (e) => {
  if (e.key === 'Enter' && e.target.name === 'cp-case') { open(false, true); e.preventDefault(); e.stopPropagation(); }
  if (e.key === 'Escape' && !drawer.hidden) { open(false, true); e.stopPropagation(); }
});
window.cp.keys.push((e) => (e.key === '[' || e.key === ']') && element.isConnected && (step(e.key === '[' ? 'previous' : 'next'), true));
watch('value', show);
show();
