// Model list: value is a list of {model, temperature}; null takes the settings' temperature. Order of choosing = order of sides.
const boxes = () => [...element.querySelectorAll('.cp-model:not(.off) input[type=checkbox]')];
const count = element.querySelector('.cp-count');
let most = false;                                     // the last click was one too many

function show() {
  const v = props.value || [], n = v.length;
  for (const b of boxes()) {
    const mine = v.filter((x) => x.model === b.value), row = b.closest('.cp-model'), extra = row.querySelector('.cp-extra');
    b.checked = mine.length > 0; row.classList.toggle('on', b.checked);
    const state = mine.length + (n > 3 ? 'full' : '');
    if (extra.dataset.state === state) continue;
    extra.dataset.state = state; extra.replaceChildren();
    if (mine.length === 1 && n < 4) extra.append(button('Add again with another temperature', () => put([...props.value, { model: b.value, temperature: 0.7 }])));
    for (const again of mine.slice(1)) extra.append(second(b.value, again.temperature, b.dataset.label));
  }
  count.textContent = most ? '4 are the most; take one out first' : n < 2 ? `${n} chosen, choose ${2 - n} more` : `${n} of 4 chosen`;
  most = false;
}
function button(words, act) { const b = Object.assign(document.createElement('button'), { type: 'button', className: 'cp-link', textContent: words }); b.onclick = act; return b; }
function second(model, temperature, name) {           // looked up anew at each act: the list may have changed since it was drawn
  const mine = () => props.value.filter((x) => x.model === model)[1];
  const line = document.createElement('span'), label = document.createElement('label'), input = document.createElement('input');
  Object.assign(input, { type: 'number', min: 0, max: 2, step: 0.1, value: temperature });
  label.append('Once more at temperature ', input);
  input.onchange = () => { const t = input.valueAsNumber, entry = mine(); if (t >= 0 && t <= 2) put(props.value.map((x) => (x === entry ? { ...x, temperature: t } : x)), true); else input.value = entry.temperature; };
  const out = button('Take out', () => { const entry = mine(); put(props.value.filter((x) => x !== entry)); }); out.setAttribute('aria-label', `Take the second ${name} out`);
  line.append(label, out); return line;
}
function put(value, redraw) { if (redraw) element.querySelectorAll('.cp-extra').forEach((x) => delete x.dataset.state); props.value = value; show(); trigger('input'); }
element.addEventListener('change', (e) => {
  if (e.target.type !== 'checkbox') return;
  const rest = (props.value || []).filter((x) => x.model !== e.target.value);
  if (e.target.checked && rest.length > 3) { most = true; return show(); }
  put(e.target.checked ? [...rest, { model: e.target.value, temperature: null }] : rest);
});
watch('value', show);
show();
