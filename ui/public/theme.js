// Before the first paint: the theme this person chose, else the one of the system.
(function () {
  var kept = null;
  try {
    kept = localStorage.getItem('taffrail.theme');
  } catch (e) {}
  var dark = kept === 'dark' || (kept !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
})();
