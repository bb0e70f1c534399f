// One run: answers, scores, reference, rating. While a side streams its text grows by a text node; everything else that a
// model wrote arrives as HTML that the server has sanitised. The template is static, so nothing is ever re-rendered.
const $ = (s) => element.querySelector(s);
const strip = $('.cp-sides'), tabs = $('.cp-tabs'), after = $('.cp-after');
const make = (tag, cls, words) => { const n = document.createElement(tag); if (cls) n.className = cls; if (words !== undefined) n.textContent = words; return n; };
const put = (node, words) => { if (node.textContent !== words) node.textContent = words; };
const html = (node, markup) => { if (node.markup !== markup) { node.markup = markup; node.innerHTML = markup; } };
const LIVE = ['waiting', 'answering'];
let panels = [], shape = '', shown = 'A', was = '';

const form = ratingForm($('.cp-rating'), {
  draft: (v) => server.draft(v),
  save: (v) => server.save(v),
  saved: (r) => { if (r.board) { props.value = r.board; show(); } },
});

function panel(side, n) {
  const root = make('section', 'cp-side'), head = make('header'), name = make('h3'), wide = make('button', 'cp-icon cp-wide', '⤢');
  const meta = make('p', 'cp-meta'), state = make('span', 'cp-state'), mark = make('i'), word = make('span'), facts = make('span', 'cp-num');
  const body = make('div', 'cp-body'), text = document.createTextNode(''), plain = make('div', 'cp-text'), rich = make('div'), caret = make('span', 'cp-caret');
  root.dataset.side = side.key; root.setAttribute('aria-label', `Answer ${side.key}`);
  wide.type = 'button'; wide.dataset.wide = side.key; wide.setAttribute('aria-label', `Read answer ${side.key} over the full width`); wide.setAttribute('aria-pressed', 'false'); wide.hidden = n < 2;
  mark.setAttribute('aria-hidden', 'true'); caret.setAttribute('aria-hidden', 'true');
  body.tabIndex = 0; body.setAttribute('role', 'region'); body.setAttribute('aria-label', `Text of answer ${side.key}`);
  state.append(mark, word); meta.append(state, facts); plain.append(text, caret);
  const note = make('p', 'cp-quiet cp-sidenote'), error = make('div', 'cp-error'); note.hidden = error.hidden = true;
  body.append(note, plain, rich, error); head.append(make('span', 'cp-key', side.key), name, wide, meta); root.append(head, body);
  return { root, name, state, mark, word, facts, text, plain, rich, caret, note, error };
}
function draw(p, side) {
  put(p.name, side.name); put(p.mark, side.mark); put(p.word, side.word); put(p.facts, side.facts);
  p.root.dataset.state = side.state; p.state.className = `cp-state ${side.state}`;
  const live = LIVE.includes(side.state), finished = !live && side.html !== null;
  if (!side.text.startsWith(p.text.data)) p.text.data = side.text;
  else if (side.text.length > p.text.length) p.text.appendData(side.text.slice(p.text.length));
  p.caret.hidden = !live || !side.text; p.plain.hidden = finished || !!side.error && !side.text;
  if (finished) html(p.rich, side.html); p.rich.hidden = !finished;
  put(p.note, side.note); p.note.hidden = !side.note;
  const key = side.error ? JSON.stringify(side.error) : '';
  if (p.error.key !== key) {
    p.error.key = key; p.error.replaceChildren(); p.error.hidden = !side.error;
    if (side.error) {
      p.error.append(make('b', '', side.error.what), make('p', '', side.error.fix));
      if (side.error.retry) { const b = make('button', '', 'Try this side again'); b.type = 'button'; b.dataset.retry = side.key; b.setAttribute('aria-label', `Try side ${side.key} again`); p.error.append(b); }
    }
  }
}
function show() {
  const v = props.value || { phase: 'empty', sides: [] }, running = v.phase === 'running' || v.phase === 'line';
  const now = `${v.run} ${v.sides.map((s) => s.key).join('')}`;
  if (now !== shape) {                                // another run: build its panels
    shape = now; strip.style.setProperty('--n', v.sides.length || 1); element.dataset.wide = '';
    panels = v.sides.map((s) => panel(s, v.sides.length)); strip.replaceChildren(...panels.map((p) => p.root)); strip.scrollLeft = 0;
    tabs.replaceChildren(...v.sides.map((s) => { const t = make('button', '', s.key); t.type = 'button'; t.dataset.tab = s.key; return t; }));
    tabs.hidden = v.sides.length < 2; shown = 'A';
  }
  v.sides.forEach((s, i) => draw(panels[i], s));
  html($('.cp-noteslot'), v.note || '');
  const n = {}; for (const s of v.sides) n[s.word] = (n[s.word] || 0) + 1;
  put($('.cp-status'), Object.entries(n).map(([k, x]) => `${x} ${k.toLowerCase()}`).join(', '));   // changes with a state only: fit for a live region
  after.hidden = !v.after;
  if (v.after) {
    html($('.cp-names'), v.after.names); html($('.cp-scores'), v.after.scores); html($('.cp-reference'), v.after.reference); html($('.cp-sealed'), v.after.sealed);
    $('.cp-open').hidden = !v.after.scores; $('.cp-sealed').hidden = !v.after.sealed; $('.cp-names').hidden = !v.after.names;
    $('.cp-ratebox').hidden = !v.form; $('.cp-unrated').hidden = !!v.form;
    if (v.form) form.load(v.form); else form.clear();
  } else form.clear();
  const run = document.getElementById('cp-run'), stop = document.getElementById('cp-stop');
  if (run) run.disabled = running; if (stop) stop.disabled = !running;
  if (was && was !== v.phase + v.note && (v.note || v.phase === 'running')) reveal();
  if (was.startsWith('running') && v.phase === 'done') window.cp.say('done', v.run);
  was = v.phase + v.note; turn(shown, false);
}
function reveal() {                                     // what Run brought is below the window: move just so far that it shows
  const hidden = element.getBoundingClientRect().top - innerHeight + 240;
  if (hidden > 0) scrollBy({ top: hidden, behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
}
function turn(side, scroll) {
  const changed = shown !== side; shown = side;
  for (const t of tabs.children) t.setAttribute('aria-pressed', t.dataset.tab === side);
  const p = panels.find((x) => x.root.dataset.side === side)?.root; if (!p) return;
  if (scroll) strip.scrollTo({ left: p.offsetLeft - strip.offsetLeft, behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
  strip.style.setProperty('--shown-h', p.offsetHeight + 'px');    // phone: the strip is as high as the panel shown
  if (changed) window.cp.say('side', side);
}
element.addEventListener('click', (e) => {
  const tab = e.target.closest('[data-tab]'), wide = e.target.closest('[data-wide]'), retry = e.target.closest('[data-retry]'), act = e.target.closest('[data-act]');
  if (tab) turn(tab.dataset.tab, true);
  if (wide && wide !== element) {
    element.dataset.wide = element.dataset.wide === wide.dataset.wide ? '' : wide.dataset.wide;
    for (const b of element.querySelectorAll('button[data-wide]')) b.setAttribute('aria-pressed', b.dataset.wide === element.dataset.wide);
  }
  if (retry) { retry.disabled = true; trigger('retry', { run: props.value.run, side: retry.dataset.retry }); }
  if (act?.dataset.act === 'agree') trigger('agree', { receivers: props.value.receivers });
  if (act?.dataset.act === 'leave') halt();
});
strip.addEventListener('scroll', () => {
  if (strip.scrollWidth <= strip.clientWidth + 8) return;
  const key = panels[Math.round(strip.scrollLeft / strip.clientWidth)]?.root.dataset.side;
  if (key && key !== shown) turn(key, false);
});
function halt() { if (props.value?.run) server.stop(props.value.run).catch(() => null); }
window.addEventListener('cp:stop', () => element.isConnected && halt());
window.addEventListener('cp:side', (e) => { if (element.isConnected && e.detail !== shown) turn(e.detail, true); });
$('#cp-reference').addEventListener('change', (e) => { $('.cp-reference').hidden = !e.target.checked; });
watch('value', show);
show();
