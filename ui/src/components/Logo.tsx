/** A rail on its posts: the taffrail, from which one looks back over the water. */
export function Logo() {
  return (
    <svg viewBox="0 0 32 32" fill="none" stroke="currentColor" strokeWidth="2.6" strokeLinecap="round" aria-hidden="true">
      <path d="M3 10.5c7-5 19-5 26 0" />
      <path d="M5.500 25.500c6.500-3 14.500-3 21 0" />
      <path d="M8.800 9v14M16 7.500v15M23.200 9v14" />
    </svg>
  );
}
