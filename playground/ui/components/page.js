// The page's shell: theme, help, single-key shortcuts. Makes no request.
() => {
  const typing = (e) => e.ctrlKey || e.metaKey || e.altKey || e.isComposing ||
    e.target.closest?.('textarea, select, [contenteditable], input:not([type=radio]):not([type=checkbox]):not([type=range])');
  const cp = window.cp, keysOn = () => localStorage.getItem('cp-keys') !== 'off';
  const KEYS = [['Ctrl + Enter', 'Run; inside the form: save'], ['Esc', 'Stop the run, close the picker or this help'], ['A  B  C  D', 'Prefer this answer'],
    ['T', 'Tie'], ['U', 'All unacceptable'], ['1 to 5', 'Rate the marked line, go to the next open one'], ['N', 'Cannot judge'],
    ['Backspace', 'Clear the marked line'], ['Tab, arrows', 'Next line, choose inside a line'], ['Enter', 'Save, or go to what is missing'],
    ['[  ]', 'Previous or next case'], ['R', 'Show or hide the reference'], ['?', 'This help']];
  function help() {
    let d = document.getElementById('cp-help');
    if (!d) {
      d = Object.assign(document.createElement('dialog'), { id: 'cp-help' });
      d.setAttribute('aria-labelledby', 'cp-help-h');
      d.innerHTML = '<h2 id="cp-help-h">Keyboard</h2><dl></dl><label><input type="checkbox"> Single-key shortcuts</label><form method="dialog"><button>Close</button></form>';
      for (const [k, t] of KEYS) {
        const dt = document.createElement('dt'), dd = document.createElement('dd');
        for (const part of k.split(/\s{2,}/)) dt.append(Object.assign(document.createElement('kbd'), { textContent: part }), ' ');
        dd.textContent = t; d.querySelector('dl').append(dt, dd);
      }
      const box = d.querySelector('input'); box.checked = keysOn();
      box.onchange = () => localStorage.setItem('cp-keys', box.checked ? 'on' : 'off');
      document.body.append(d);
    }
    d.open ? d.close() : d.showModal();
  }
  const paint = () => {
    const want = localStorage.getItem('cp-theme'), b = document.body;
    if (want && b.classList.contains('dark') !== (want === 'dark')) b.classList.toggle('dark');
  };
  paint(); new MutationObserver(paint).observe(document.body, { attributes: true, attributeFilter: ['class'] });   // Gradio sets the class while mounting
  document.addEventListener('click', (e) => {
    const act = e.target.closest('[data-cp]')?.dataset.cp;
    if (act === 'help') help();
    if (act === 'theme') { localStorage.setItem('cp-theme', document.body.classList.contains('dark') ? 'light' : 'dark'); paint(); }
  });
  document.addEventListener('keydown', (e) => {
    const press = (id) => { const b = document.getElementById(id); if (b && !b.disabled && b.offsetParent) { b.click(); e.preventDefault(); return true; } };
    const dialog = document.querySelector('dialog[open]');
    if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) return void (e.target.closest('.cp-form') ? cp.say('save') : press('cp-run') || cp.say('save'));
    if (e.key === 'Escape' && !dialog) return void press('cp-stop');
    if (typing(e) || dialog) return;
    if (e.key === '?' && document.querySelector('[data-cp=help]')) { e.preventDefault(); return help(); }
    if (!keysOn()) return;
    if (e.key.toLowerCase() === 'r') return void press('cp-reference');
    for (const f of [...cp.keys].reverse()) if (f(e)) return e.preventDefault();
  });
}
