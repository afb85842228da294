"""How the page of an audit looks: on paper, on a wide screen, and on a phone."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{color-scheme:light;--ink:#1c2026;--soft:#5a616b;--rule:#d9dad6;--paper:#fff;
--holds:#1d7a3a;--partly:#9a6700;--fails:#b3261e;--unknown:#6b7280}
*{box-sizing:border-box}html{-webkit-text-size-adjust:100%}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:66rem;padding:1rem;
color:var(--ink);background:var(--paper);overflow-wrap:break-word}
h1{font-size:1.55rem;line-height:1.2;margin:.4rem 0}h2{font-size:1.2rem;margin:2.4rem 0 .4rem}
p{max-width:46rem;margin:.5rem 0}small,.soft,figcaption{color:var(--soft)}
.answer{border:1px solid var(--rule);border-radius:.5rem;padding:.4rem 1rem 1rem;margin:1rem 0}
.answer h2{margin-top:.5rem}.answer>p:first-of-type{font-weight:600}
.answer ul{list-style:none;margin:.8rem 0;padding:0}
.answer li{display:grid;grid-template-columns:1.6rem 1fr;margin:.55rem 0;max-width:52rem}
.mark{font-weight:700}.holds .mark,.holds b{color:var(--holds)}
.partly .mark,.partly b{color:var(--partly)}.fails .mark,.fails b{color:var(--fails)}
.unknown .mark{color:var(--unknown)}
.first{display:grid;grid-template-columns:minmax(0,20rem) minmax(0,1fr);gap:1.5rem;margin:1rem 0}
figure{margin:0}figure img,.ramp{display:block;width:100%;height:auto;border-radius:.25rem}
figcaption{font-size:.85rem;margin-top:.25rem}figcaption strong{color:var(--ink)}
.maps,.large,.charts{display:grid;gap:1rem;margin:.8rem 0}
.maps{grid-template-columns:repeat(auto-fill,minmax(min(10rem,45%),1fr))}
.large{grid-template-columns:repeat(auto-fit,minmax(min(17rem,100%),1fr));max-width:64rem}
.charts{grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr))}
.charts>div{max-width:34rem}
.ramp{display:inline-block;width:7rem;height:.6rem;vertical-align:baseline}
.key{width:20px;height:8px}svg{display:block;width:100%;height:auto;
overflow:visible}svg text{font-size:11px;
fill:#444}.legend{margin:.2rem 0}.legend svg{display:inline;width:20px}
.legend span{display:inline-flex;align-items:center;gap:.3rem;margin-right:.8rem;font-size:.85rem}
.bars{width:100%;border-collapse:collapse;font-size:.95rem}.bars td{padding:.2rem .4rem .2rem 0}
.bars td:nth-child(2){width:45%}.bars td:last-child{text-align:right;white-space:nowrap}
.bar{display:block;height:.8rem;min-width:1px;background:#4477aa;border-radius:.15rem;
print-color-adjust:exact;-webkit-print-color-adjust:exact}
.wide{overflow-x:auto}.grid{border-collapse:collapse;font-size:.9rem}
.grid th,.grid td{padding:.3rem .7rem;text-align:left;vertical-align:top;
border-bottom:1px solid var(--rule)}.grid td small{display:block}
.matrix td,.matrix th{text-align:right;white-space:nowrap}.matrix th:first-child{text-align:left}
.square{display:inline-block;width:.8rem;height:.8rem;border-radius:.15rem;margin-right:.4rem;
print-color-adjust:exact;-webkit-print-color-adjust:exact}
.bands{list-style:none;padding:0;margin:.4rem 0;columns:18rem;font-size:.9rem}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.2rem 1rem;font-size:.9rem}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}code{font-size:.88em}
@media(max-width:40rem){.first{grid-template-columns:1fr}dl{grid-template-columns:1fr;gap:0}
dd{margin-bottom:.5rem}.matrix td,.matrix th{padding:.3rem .35rem}
.cards thead{display:none}.cards tr{display:block;padding:.5rem 0;
border-bottom:1px solid var(--rule)}.cards td,.cards th{display:grid;border:0;padding:.15rem 0;
grid-template-columns:9rem 1fr}.cards th{display:block}.cards td::before{content:attr(data-name);
color:var(--soft)}.cards td>span{display:block}}
@media print{.large{grid-template-columns:repeat(3,1fr)}.maps{grid-template-columns:repeat(5,1fr)}
body{font-size:10.5pt;max-width:none;padding:0}.answer,figure,table,.charts>div,li{
break-inside:avoid}h2{break-after:avoid}.wide{overflow:visible}a{color:inherit}}
"""
