// Results as a table that only draws what is in view.
import { getCoreRowModel, useReactTable, type ColumnDef, type ColumnSizingState, type SortingState, type VisibilityState } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDown, ArrowUp, Bookmark, ChevronDown, ChevronRight, Copy, Filter, FilterX } from 'lucide-react';
import { DropdownMenu } from 'radix-ui';
import { useEffect, useMemo, useRef, useState } from 'react';
import type { Json, ResultColumn } from '../../api/types';
import { JsonTree, type Path } from '../../components/JsonTree';
import { notify } from '../../components/toast';
import { copyText } from '../../components/ui';
import { isNumeric } from '../../lib/chart';
import { condition } from '../../lib/kql';
import { cellText, columnWidth, sortedIndexes } from '../../lib/results';
import { parsed } from '../incidents/Alerts';

const ROW = 29;

interface Props {
  columns: ResultColumn[];
  rows: Json[][];
  hidden: ReadonlySet<number>;
  onFilter: (condition: string) => void;
  /** Keeps rows as a bookmark */
  onBookmark?: (rows: Json[][]) => void;
}

interface Picked {
  x: number;
  y: number;
  column: number;
  row: number;
  path: Path;
  value: Json;
}

export function Grid({ columns, rows, hidden, onFilter, onBookmark }: Props) {
  const [sorting, setSorting] = useState<SortingState>([]);
  const [sizing, setSizing] = useState<ColumnSizingState>({});
  const [opened, setOpened] = useState<ReadonlySet<number>>(new Set());
  const [picked, setPicked] = useState<Picked | null>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(900);

  const definitions = useMemo<ColumnDef<never>[]>(
    () => columns.map((column, i) => ({ id: String(i), header: column.name, size: columnWidth(column, i, rows), minSize: 48, maxSize: 1600 })),
    [columns, rows],
  );
  const visibility = useMemo<VisibilityState>(() => Object.fromEntries([...hidden].map((i) => [String(i), false])), [hidden]);
  const table = useReactTable<never>({
    data: [],
    columns: definitions,
    state: { sorting, columnSizing: sizing, columnVisibility: visibility },
    onSortingChange: setSorting,
    onColumnSizingChange: setSizing,
    columnResizeMode: 'onChange',
    manualSorting: true,
    enableMultiSort: false,
    getCoreRowModel: getCoreRowModel(),
  });

  const by = sorting[0];
  const order = useMemo(() => sortedIndexes(columns, rows, by === undefined ? null : { column: Number(by.id), descending: by.desc }), [columns, rows, by]);
  useEffect(() => {
    setOpened(new Set());
    setSorting([]);
    setSizing({});
  }, [columns, rows]);

  const virtual = useVirtualizer({
    count: order.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 12,
    getItemKey: (i) => order[i] ?? i,
    scrollMargin: 0,
  });

  useEffect(() => {
    const element = scroller.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const leaves = table.getVisibleLeafColumns();
  const toggle = (row: number): void => {
    const next = new Set(opened);
    if (!next.delete(row)) next.add(row);
    setOpened(next);
  };

  return (
    <>
    <div className="grid" ref={scroller} role="table" aria-rowcount={rows.length} aria-label="Results" tabIndex={0} style={{ '--grid-width': `${width}px` } as React.CSSProperties}>
      <div className="grid-inner" style={{ height: virtual.getTotalSize() + 30, width: table.getTotalSize() + 32 }}>
        <div className="grid-head" role="row">
          <div className="twist" role="columnheader" aria-label="Open" />
          {table.getFlatHeaders().map((header) => {
            const column = columns[Number(header.id)] as ResultColumn;
            const sorted = header.column.getIsSorted();
            return (
              <div key={header.id} role="columnheader" style={{ width: header.getSize() }} aria-sort={sorted === 'asc' ? 'ascending' : sorted === 'desc' ? 'descending' : undefined}>
                <button type="button" className="sort" title={`${column.name}: ${column.type}`} onClick={() => header.column.toggleSorting()}>
                  <span>{column.name}</span>
                  {sorted === 'asc' && <ArrowUp className="icon small" />}
                  {sorted === 'desc' && <ArrowDown className="icon small" />}
                  <span className="kind">{column.type}</span>
                </button>
                <span
                  className="grip"
                  data-active={header.column.getIsResizing()}
                  onPointerDown={(event) => event.stopPropagation()}
                  onMouseDown={header.getResizeHandler()}
                  onTouchStart={header.getResizeHandler()}
                  onDoubleClick={() => header.column.resetSize()}
                />
              </div>
            );
          })}
        </div>
        {virtual.getVirtualItems().map((item) => {
          const index = order[item.index] as number;
          const row = rows[index] as Json[];
          const open = opened.has(index);
          return (
            <div key={item.key} ref={virtual.measureElement} data-index={item.index} className="grid-row" role="row" aria-rowindex={item.index + 1} style={{ transform: `translateY(${item.start}px)` }}>
              <div className="cells">
                <div role="cell" className="grid-cell twist">
                  <button type="button" className="button quiet small square" aria-expanded={open} aria-label={`Row ${item.index + 1} as a tree`} onClick={() => toggle(index)}>
                    {open ? <ChevronDown className="icon small" /> : <ChevronRight className="icon small" />}
                  </button>
                </div>
                {leaves.map((leaf) => {
                  const at = Number(leaf.id);
                  const column = columns[at] as ResultColumn;
                  const value = row[at] ?? null;
                  return (
                    <button
                      key={leaf.id}
                      type="button"
                      role="cell"
                      tabIndex={-1}
                      className={`grid-cell ${isNumeric(column) && column.type !== 'timespan' ? 'right' : ''} ${value === null ? 'null' : ''}`}
                      style={{ width: leaf.getSize() }}
                      onClick={(event) => {
                        // Somebody who marks a part of the text wants to copy it.
                        const marked = getSelection();
                        if (marked && !marked.isCollapsed && event.currentTarget.contains(marked.anchorNode)) return;
                        setPicked({ x: event.clientX, y: event.clientY, column: at, row: index, path: [], value });
                      }}
                    >
                      {value === null ? 'null' : value === '' ? <span className="sr">empty</span> : cellText(value, column.type)}
                    </button>
                  );
                })}
              </div>
              {open && (
                <div className="detail" role="cell">
                  <JsonTree
                    value={Object.fromEntries(columns.map((c, i) => [c.name, parsed(row[i] ?? null, c.type)]))}
                    onPick={(path, value) => {
                      const at = columns.findIndex((c) => c.name === path[0]);
                      const box = document.activeElement?.getBoundingClientRect();
                      if (at >= 0) setPicked({ x: box?.left ?? 0, y: box?.bottom ?? 0, column: at, row: index, path: path.slice(1), value });
                    }}
                  />
                </div>
              )}
            </div>
          );
        })}
      </div>
    </div>
    <CellMenu picked={picked} columns={columns} rows={rows} onFilter={onFilter} onBookmark={onBookmark} onClose={() => setPicked(null)} />
    </>
  );
}

function CellMenu({ picked, columns, rows, onFilter, onBookmark, onClose }: { picked: Picked | null; columns: ResultColumn[]; rows: Json[][]; onFilter: (condition: string) => void; onBookmark?: (rows: Json[][]) => void; onClose: () => void }) {
  if (picked === null) return null;
  const column = columns[picked.column] as ResultColumn;
  const keep = condition(column.name, column.type, picked.value, picked.path);
  const drop = condition(column.name, column.type, picked.value, picked.path, true);
  const copy = (text: string, what: string): void => void copyText(text).then(() => notify(`${what} copied`));
  return (
    <DropdownMenu.Root open modal={false} onOpenChange={(open) => !open && onClose()}>
      <DropdownMenu.Trigger asChild>
        <span style={{ position: 'fixed', left: picked.x, top: picked.y, width: 1, height: 1 }} />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="start" style={{ maxWidth: 460 }} onCloseAutoFocus={(event) => event.preventDefault()}>
          {keep !== null && (
            <DropdownMenu.Item className="item" onSelect={() => onFilter(keep)}>
              <Filter className="icon small" />
              <span className="mono ellipsis grow">where {keep}</span>
            </DropdownMenu.Item>
          )}
          {drop !== null && (
            <DropdownMenu.Item className="item" onSelect={() => onFilter(drop)}>
              <FilterX className="icon small" />
              <span className="mono ellipsis grow">where {drop}</span>
            </DropdownMenu.Item>
          )}
          <DropdownMenu.Separator className="line" />
          <DropdownMenu.Item className="item" onSelect={() => copy(typeof picked.value === 'object' ? JSON.stringify(picked.value) : String(picked.value), 'Value')}>
            <Copy className="icon small" /> Copy the value
          </DropdownMenu.Item>
          <DropdownMenu.Item
            className="item"
            onSelect={() => copy(JSON.stringify(Object.fromEntries(columns.map((c, i) => [c.name, rows[picked.row]?.[i] ?? null])), null, 2), 'Row')}
          >
            <Copy className="icon small" /> Copy the row as JSON
          </DropdownMenu.Item>
          {onBookmark && (
            <DropdownMenu.Item className="item" onSelect={() => onBookmark([rows[picked.row] as Json[]])}>
              <Bookmark className="icon small" /> Bookmark the row
            </DropdownMenu.Item>
          )}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
