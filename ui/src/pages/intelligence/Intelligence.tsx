// What is known from elsewhere: lists that rules read, and indicators of threat intelligence.
import { Link, useSearch } from '@tanstack/react-router';
import { PageHead } from '../../components/ScopeBar';
import { useTitle } from '../../lib/hooks';
import { Indicators } from './Indicators';
import { Matches } from './Matches';
import { Watchlists } from './Watchlists';

const TABS = [
  [undefined, 'Watchlists'],
  ['indicators', 'Threat intelligence'],
  ['matches', 'Matches'],
] as const;

export function Intelligence() {
  useTitle('Intelligence');
  const { tab } = useSearch({ from: '/app/intelligence' });
  return (
    <>
      <PageHead title="Intelligence" scope={false} />
      <nav className="tabs" aria-label="Parts of intelligence" style={{ padding: '0 20px' }}>
        {TABS.map(([id, label]) => (
          <Link key={label} to="/intelligence" search={{ tab: id }} className="tab" activeOptions={{ exact: true, includeSearch: true }} aria-current={tab === id ? 'page' : undefined}>
            {label}
          </Link>
        ))}
      </nav>
      <div className="column" style={{ flex: 1, minHeight: 0, paddingTop: 12, gap: 0 }}>
        {tab === undefined && <Watchlists />}
        {tab === 'indicators' && <Indicators />}
        {tab === 'matches' && <Matches />}
      </div>
    </>
  );
}
