// The rating form inside a root element: keyboard, drafts, saving. `api` = {draft, save, saved}; both server calls get
// {comparison, answers, comment, uuid, seconds} and must confirm with {time}; anything else counts as not kept.
function ratingForm(root, api) {
  const $ = (s) => root.querySelector(s), sets = () => [...root.querySelectorAll('fieldset[data-name]')].filter((f) => !f.hidden);
  const picked = (f) => f.querySelector('input:checked'), missing = () => sets().filter((f) => !picked(f));
  const uuid = () => (crypto.randomUUID ? crypto.randomUUID().replaceAll('-', '') : [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join(''));
  let of = null, value = null, current = null, timer = 0, tries = 0, pending = null, busy = false, sent = false, closed = false, nagged = false, started = 0;
  const clock = (iso) => new Date(iso).toTimeString().slice(0, 8);
  const say = (kind, text) => { const s = $('.cp-saved'); s.dataset.kind = kind; if (s.textContent !== text) s.textContent = text; };
  const plural = (n) => (n === 1 ? '1 item is missing' : `${n} items are missing`);

  // The browser's copy: from the click until the server confirmed; one for each run.
  const slot = () => `cp-unsaved:${of}`;
  function stow() { try { localStorage.setItem(slot(), JSON.stringify({ at: new Date().toTimeString().slice(0, 5), value })); } catch { } }
  function stowed() { try { return JSON.parse(localStorage.getItem(slot())); } catch { return null; } }
  const forget = () => localStorage.removeItem(slot());

  function load(form) {                              // form: {html, comparison, answers, comment, uuid, saved, closed}
    if (form.comparison !== of) {
      clearTimeout(timer); of = form.comparison; current = null; pending = null; tries = 0; nagged = false; started = Date.now();
      root.innerHTML = form.html; sent = !!form.saved;
      value = { comparison: of, answers: form.answers || {}, comment: form.comment || '', uuid: form.uuid || uuid(), seconds: 0 };
      fill(); side(sets()[0]?.dataset.side || root.querySelector('[data-formtab]')?.dataset.formtab || 'A');
      if (form.saved) say('ok', `Saved ${clock(form.saved.time)}, rating ${form.saved.id}`);
      else if (Object.keys(value.answers).length) say('draft', 'Draft restored');
      if (!form.closed) offer();
    }
    closed = !!form.closed;
    for (const i of root.querySelectorAll('input, textarea, [type=submit]')) i.disabled = closed;
    root.classList.toggle('cp-closed', closed);
    if (closed) { mark(null); $('.cp-missing').textContent = 'The names are shown, so voting is closed for this run.'; }
  }
  function fill() {
    for (const i of root.querySelectorAll('input[type=radio]')) i.checked = value.answers[i.name] === i.value;
    $('textarea').value = value.comment; after();
  }
  function after() {
    for (const f of root.querySelectorAll('.cp-then')) {
      const to = root.querySelector(`[name="${f.dataset.when}"]:checked`)?.value;
      f.hidden = !f.dataset.values.split(' ').includes(to);
      if (f.hidden && picked(f)) picked(f).checked = false;
    }
    for (const f of sets()) f.classList.toggle('done', !!picked(f));
    const left = missing(), box = $('.cp-missing');
    box.replaceChildren();
    if (left.length && (nagged || left.length < sets().length)) {
      box.append(`${left.length} left: `);
      for (const f of left.slice(0, 3)) {
        const b = Object.assign(document.createElement('button'), { type: 'button', className: 'cp-link', textContent: f.dataset.title });
        b.onclick = () => mark(f, true); box.append(b, ' ');
      }
      if (left.length > 3) box.append(`and ${left.length - 3} more`);
    }
    $('.cp-primary').dataset.ready = !left.length;
  }
  function read() {                                  // page -> value; a change after saving is a new event with its own uuid
    after();
    const answers = {};
    for (const f of sets()) if (picked(f)) answers[f.dataset.name] = picked(f).value;
    value = { comparison: of, answers, comment: $('textarea').value, uuid: sent ? uuid() : value.uuid, seconds: Math.round((Date.now() - started) / 1000) };
    sent = false; stow(); say('draft', 'Saving draft'); clearTimeout(timer); timer = setTimeout(draft, 400);
  }
  function offer() {
    const copy = stowed(); root.querySelector('.cp-copy')?.remove();
    const n = Object.keys(copy?.value?.answers || {}).length; if (!n && !copy?.value?.comment) return forget();
    const box = document.createElement('div'), words = document.createElement('p'), b = document.createElement('b'), buttons = document.createElement('span');
    box.className = 'cp-copy'; box.setAttribute('role', 'group'); box.setAttribute('aria-label', 'Ratings that did not reach the server');
    b.textContent = `${n === 1 ? '1 answer' : `${n} answers`} from ${copy.at} did not reach the server.`; words.append(b, ' Kept in this browser only.');
    const back = Object.assign(document.createElement('button'), { type: 'button', className: 'cp-primary', textContent: 'Put back' });
    const away = Object.assign(document.createElement('button'), { type: 'button', className: 'cp-second', textContent: 'Throw away' });
    back.onclick = () => { box.remove(); value = copy.value; sent = false; fill(); say('draft', 'Saving draft'); draft(); mark(missing()[0] || sets()[0], true); };   // same uuid: if it did arrive, it is the same row
    away.onclick = () => { forget(); box.remove(); mark(sets()[0], true); };
    buttons.append(back, away); box.append(words, buttons); root.prepend(box);
  }
  async function draft() {
    if (busy || closed) return;
    const mine = value, r = await api.draft(mine).catch(() => null);   // offline rejects; a server error resolves with null
    if (mine.comparison !== of || busy || sent) return;
    if (r?.error) { tries = 0; pending = null; return say('bad', r.error); }
    if (!r?.time) return again(draft, 'Draft not kept yet.');
    tries = 0; pending = null;
    if (mine === value) { forget(); say('draft', `Draft kept ${clock(r.time)}`); }
  }
  function again(what, words) {
    const wait = Math.min(30, 2 ** ++tries); pending = what; stow();
    say('bad', `${words} ${navigator.onLine ? 'The server did not confirm.' : 'No connection.'} Trying again in ${wait} s`);
    clearTimeout(timer); timer = setTimeout(what, wait * 1000);
  }
  async function save() {
    if (closed || !of) return;
    const left = missing();
    if (left.length) { nagged = true; after(); say('warn', `Not saved: ${plural(left.length)}`); return mark(left[0], true); }
    if (busy || (sent && $('.cp-saved').dataset.kind === 'ok')) return;
    busy = true; clearTimeout(timer); say('busy', 'Saving');
    const mine = value, r = await api.save(mine).catch(() => null);
    busy = false;
    if (mine.comparison !== of) return;
    if (r?.error) { tries = 0; pending = null; return say('bad', r.error); }
    if (!r?.id) return again(save, 'Not saved yet.');
    tries = 0; pending = null;
    if (mine !== value) { timer = setTimeout(draft, 400); return say('ok', `Saved ${clock(r.time)}, rating ${r.id}; changed since`); }
    sent = true; forget(); say('ok', `Saved ${clock(r.time)}, rating ${r.id}`); api.saved(r);
  }
  function side(key) {                               // phones show one side at a time
    const form = $('form'); if (!form) return;
    form.dataset.side = key;
    root.querySelectorAll('[data-formtab]').forEach((t) => t.setAttribute('aria-pressed', t.dataset.formtab === key));
  }
  function mark(f, focus) {
    root.querySelectorAll('.now').forEach((x) => x.classList.remove('now'));
    current = f; if (!f) return;
    f.classList.add('now');
    if (f.dataset.side) { side(f.dataset.side); if (focus) window.cp.say('side', f.dataset.side); }
    if (focus) (picked(f) || f.querySelector('input')).focus({ preventScroll: true });
    const r = f.getBoundingClientRect();
    if (focus && (r.top < 80 || r.bottom > innerHeight - 120)) f.scrollIntoView({ block: 'center' });
  }
  function set(f, to) {
    const i = f.querySelector(`input[value="${to}"]`); if (!i) return false;
    i.checked = true; read();
    const all = sets(), at = all.indexOf(f), next = [...all.slice(at + 1), ...all.slice(0, at)].find((x) => !picked(x));
    mark(next || f, true); return true;
  }
  function key(e) {
    if (!of || closed || !root.isConnected || !root.offsetParent) return false;
    const all = sets(), f = current && !current.hidden && root.contains(current) ? current : missing()[0] || all[0], k = e.key.toUpperCase();
    const preference = { A: 'A', B: 'B', C: 'C', D: 'D', T: 'tie', U: 'none' }[k];
    if (preference) return all[0].dataset.name.includes('.') ? false : set(all[0], preference);
    if (/^[1-9]$/.test(k)) { const scale = f.querySelectorAll('input:not([value=na])'); return f.dataset.name.includes('.') && scale[k - 1] ? set(f, scale[k - 1].value) : false; }
    if (k === 'N') return set(f, 'na');
    if (k === 'BACKSPACE') { if (picked(f)) { picked(f).checked = false; read(); mark(f, true); } return true; }
    if (k === 'ENTER' && !e.target.closest('button, a, summary')) { save(); return true; }
    return false;
  }
  root.addEventListener('change', (e) => { if (e.target.type === 'radio') read(); });
  root.addEventListener('input', (e) => { if (e.target.name === 'comment') read(); });
  root.addEventListener('focusin', (e) => { const f = e.target.closest('fieldset[data-name]'); if (f) mark(f, false); });
  root.addEventListener('submit', (e) => { e.preventDefault(); save(); });
  root.addEventListener('click', (e) => { const t = e.target.closest('[data-formtab]'); if (t) { side(t.dataset.formtab); window.cp.say('side', t.dataset.formtab); } });
  window.addEventListener('cp:save', () => root.isConnected && root.offsetParent && save());
  window.addEventListener('cp:side', (e) => root.isConnected && side(e.detail));
  window.addEventListener('online', () => { if (pending) { clearTimeout(timer); tries = 0; pending(); } });   // repeats what failed: a draft never becomes a save
  window.cp.keys.push(key);
  return { load, clear() { of = null; clearTimeout(timer); root.replaceChildren(); } };
}
